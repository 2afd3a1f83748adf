<?php
require __DIR__ . '/includes/page.php';
if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    $login = $_POST['login'] ?? '';
    $password = hash('sha256', $_POST['password'] ?? '');
    $found = rows("SELECT id, name FROM customers WHERE (login = '$login' OR mail = '$login') AND password = '$password'");
    if ($found) {
        $_SESSION['customer'] = $found[0]['id'];
        note("customer {$found[0]['id']} logged in");
        head('Welcome');
        echo '<p>Welcome, ', htmlspecialchars($found[0]['name']), '. <a href="/orders.php">My orders</a></p>';
        foot();
        exit;
    }
    note('login failed for ' . substr($login, 0, 60));
    http_response_code(401);
}
head('Log in');
echo '<form method="post"><input name="login"><input name="password" type="password"><button>Log in</button></form>';
foot();
