<?php
http_response_code(404);
require __DIR__ . '/includes/page.php';
head('Not found');
echo '<p>We have no such page.</p>';
foot();
