<?php
require __DIR__ . '/includes/page.php';
head('Tools from the harbour');
if (is_file(__DIR__ . '/notice.html')) {
    readfile(__DIR__ . '/notice.html');
}
foreach (rows('SELECT body FROM news ORDER BY id DESC LIMIT 3') as $row) {
    echo '<p class="news">', $row['body'], "</p>\n";
}
echo "<ul>\n";
foreach (rows('SELECT id, name, price FROM items') as $row) {
    echo "<li><a href=\"/item.php?id={$row['id']}\">", htmlspecialchars($row['name']), "</a> {$row['price']} yen</li>\n";
}
echo '</ul><p><a href="/download.php?file=prices.csv">Price list</a> <a href="/upload.php">Send us a drawing</a></p>';
foot();
