<?php
require __DIR__ . '/staff.php';
head('Staff');
echo '<p>Logged in as ', htmlspecialchars($_SESSION['staff']), '</p><ul><li><a href="/admin/diagnostics.php">Diagnostics</a></li>',
    '<li><a href="/admin/supplier.php">Supplier pages</a></li><li><a href="/admin/news.php">News</a></li>',
    '<li><a href="/admin/backup.php">Backup</a></li></ul>';
foot();
