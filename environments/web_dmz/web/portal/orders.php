<?php
require __DIR__ . '/includes/page.php';
if (!isset($_SESSION['customer'])) {
    header('Location: /login.php');
    exit;
}
head('My orders');
$customer = (int) $_SESSION['customer'];
echo "<table>\n";
$query = "SELECT o.id, i.name, o.amount, o.ordered FROM orders o JOIN items i ON i.id = o.item WHERE o.customer = $customer";
foreach (rows($query) as $row) {
    echo '<tr><td>', implode('</td><td>', array_map('htmlspecialchars', array_map('strval', $row))), "</td></tr>\n";
}
echo '</table>';
foot();
