<?php
// Settings of the shop.
const DB_HOST = '127.0.0.1';
const DB_NAME = 'shop';
const DB_USER = 'portal';
const DB_PASSWORD = 'Kanda-55-ferry';
const FILES = '/srv/portal/files/';
const UPLOADS = '/var/www/portal/uploads/';
const LOG = '/var/log/portal/portal.log';
