<?php
require __DIR__ . '/../includes/page.php';
if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    $select = db()->prepare('SELECT login, name FROM staff WHERE login = ? AND password = ?');
    $hash = hash('sha256', $_POST['password'] ?? '');
    $select->bind_param('ss', $_POST['login'], $hash);
    $select->execute();
    $found = $select->get_result()->fetch_assoc();
    if ($found) {
        $_SESSION['staff'] = $found['login'];
        note("staff {$found['login']} logged in");
        header('Location: /admin/');
        exit;
    }
    note('staff login failed for ' . substr($_POST['login'] ?? '', 0, 60));
    http_response_code(401);
}
head('Staff');
echo '<form method="post"><input name="login"><input name="password" type="password"><button>Log in</button></form>';
foot();
