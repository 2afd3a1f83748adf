<?php
require __DIR__ . '/includes/page.php';
if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    $insert = db()->prepare('INSERT INTO messages (name, body) VALUES (?, ?)');
    $insert->bind_param('ss', $_POST['name'], $_POST['body']);
    $insert->execute();
    note("message {$insert->insert_id} received");
    head('Thank you');
    echo "<p>Your message has number {$insert->insert_id}.</p>";
    foot();
    exit;
}
head('Contact');
echo '<form method="post"><input name="name"><textarea name="body"></textarea><button>Send</button></form>';
foot();
