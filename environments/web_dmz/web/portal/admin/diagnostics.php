<?php
require __DIR__ . '/staff.php';
head('Diagnostics');
$host = $_REQUEST['host'] ?? '';
echo '<form method="post"><input name="host"><button>Ping</button></form>';
if ($host !== '') {
    note("diagnostics of $host");
    echo '<pre>', shell_exec("ping -c 1 -W 1 $host 2>&1"), '</pre>';
}
foot();
