<?php
require __DIR__ . '/includes/page.php';
head('Send us a drawing');
if (isset($_FILES['drawing'])) {
    $name = basename($_FILES['drawing']['name']);
    if (strtolower(pathinfo($name, PATHINFO_EXTENSION)) === 'php') {
        http_response_code(400);
        echo '<p>Scripts are not allowed.</p>';
    } elseif (move_uploaded_file($_FILES['drawing']['tmp_name'], UPLOADS . $name)) {
        note("upload of $name");
        echo "<p>Stored as <a href=\"/uploads/$name\">", htmlspecialchars($name), '</a>.</p>';
    }
}
echo '<form method="post" enctype="multipart/form-data"><input type="file" name="drawing"><button>Send</button></form>';
foot();
