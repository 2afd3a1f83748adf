<?php
// What every page begins and ends with.
require_once __DIR__ . '/config.php';
session_start();
mysqli_report(MYSQLI_REPORT_OFF);

function db(): mysqli {
    static $link = null;
    $link ??= new mysqli(DB_HOST, DB_USER, DB_PASSWORD, DB_NAME);
    return $link;
}

function rows(string $query): array {
    $found = db()->query($query);
    if ($found === false) {
        note('database: ' . db()->error);
        exit('<p class="error">Database error: ' . db()->error . '</p>');
    }
    return $found === true ? [] : $found->fetch_all(MYSQLI_ASSOC);
}

function note(string $text): void {
    $from = $_SERVER['REMOTE_ADDR'] ?? '-';
    file_put_contents(LOG, date('c') . " $from $text\n", FILE_APPEND);
}

function head(string $title): void {
    echo "<!DOCTYPE html>\n<html lang=\"ja\"><head><meta charset=\"utf-8\"><title>$title - Minato Kogu</title></head><body>\n";
    echo '<nav><a href="/">Shop</a> <a href="/search.php">Search</a> <a href="/orders.php">My orders</a> ',
        '<a href="/contact.php">Contact</a></nav>', "\n<h1>$title</h1>\n";
}

function foot(): void {
    echo "\n<footer>Minato Kogu K.K.</footer></body></html>\n";
}
