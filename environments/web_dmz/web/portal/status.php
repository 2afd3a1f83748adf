<?php
require __DIR__ . '/includes/page.php';
header('Content-Type: application/json');
echo json_encode(['status' => 'ok', 'items' => (int) rows('SELECT COUNT(*) AS n FROM items')[0]['n']]), "\n";
