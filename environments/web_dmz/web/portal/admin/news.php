<?php
require __DIR__ . '/staff.php';
if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    $insert = db()->prepare('INSERT INTO news (body) VALUES (?)');
    $insert->bind_param('s', $_POST['body']);
    $insert->execute();
    note("news {$insert->insert_id} by {$_SESSION['staff']}");
    header('Location: /');
    exit;
}
head('News');
echo '<form method="post"><textarea name="body"></textarea><button>Publish</button></form>';
foot();
