<?php
require __DIR__ . '/staff.php';
note("backup by {$_SESSION['staff']}");
header('Content-Type: application/sql');
header('Content-Disposition: attachment; filename="shop.sql"');
passthru('mariadb-dump -u ' . DB_USER . ' -p' . DB_PASSWORD . ' ' . DB_NAME);
