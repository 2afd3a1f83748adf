<?php
require __DIR__ . '/includes/page.php';
$words = $_GET['q'] ?? '';
head('Search');
echo '<form><input name="q"><button>Search</button></form>';
echo "<p>Results for: $words</p>\n<ul>";
$like = '%' . db()->real_escape_string($words) . '%';
foreach (rows("SELECT id, name FROM items WHERE name LIKE '$like'") as $row) {
    echo "<li><a href=\"/item.php?id={$row['id']}\">", htmlspecialchars($row['name']), "</a></li>\n";
}
echo '</ul>';
foot();
