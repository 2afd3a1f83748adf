<?php
require __DIR__ . '/includes/page.php';
if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    $insert = db()->prepare('INSERT INTO customers (login, name, mail, password, card) VALUES (?, ?, ?, ?, ?)');
    $hash = hash('sha256', $_POST['password'] ?? '');
    $card = '';
    $insert->bind_param('sssss', $_POST['login'], $_POST['name'], $_POST['mail'], $hash, $card);
    $done = $insert->execute();
    head($done ? 'Thank you' : 'Please choose another name');
    echo '<p>', htmlspecialchars($_POST['name'] ?? ''), '</p>';
    foot();
    exit;
}
head('Register');
echo '<form method="post"><input name="login"><input name="name"><input name="mail"><input name="password" type="password">',
    '<button>Register</button></form>';
foot();
