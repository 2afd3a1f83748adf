<?php
// Pages of the staff begin with this.
require_once __DIR__ . '/../includes/page.php';
if (!isset($_SESSION['staff'])) {
    header('Location: /admin/login.php');
    exit;
}
