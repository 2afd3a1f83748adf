<?php
require __DIR__ . '/includes/page.php';
$id = $_GET['id'] ?? '1';
$found = rows("SELECT id, name, price, stock FROM items WHERE id = $id");
head('Item');
foreach ($found as $row) {
    echo "<p>{$row['id']}: {$row['name']}, {$row['price']} yen, {$row['stock']} in stock</p>\n";
}
if (!$found) {
    http_response_code(404);
    echo '<p>No such item.</p>';
}
foot();
