<?php
require __DIR__ . '/includes/page.php';
$path = FILES . ($_GET['file'] ?? '');
if (!is_file($path)) {
    http_response_code(404);
    exit('No such file.');
}
note('download of ' . ($_GET['file'] ?? ''));
header('Content-Type: application/octet-stream');
readfile($path);
