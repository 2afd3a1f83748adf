<?php
require __DIR__ . '/staff.php';
head('Supplier pages');
$url = $_REQUEST['url'] ?? '';
echo '<form><input name="url"><button>Fetch</button></form>';
if ($url !== '') {
    note("supplier page $url");
    $request = curl_init($url);
    curl_setopt_array($request, [CURLOPT_RETURNTRANSFER => true, CURLOPT_TIMEOUT => 3, CURLOPT_CONNECTTIMEOUT => 2]);
    $body = curl_exec($request);
    echo $body === false ? '<p>Error: ' . curl_error($request) . '</p>' : '<pre>' . htmlspecialchars($body) . '</pre>';
}
foot();
