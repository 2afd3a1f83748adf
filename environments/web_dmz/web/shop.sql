CREATE DATABASE shop CHARACTER SET utf8mb4;
CREATE USER 'portal'@'localhost' IDENTIFIED BY 'Kanda-55-ferry';
CREATE USER 'portal'@'127.0.0.1' IDENTIFIED BY 'Kanda-55-ferry';
GRANT ALL ON shop.* TO 'portal'@'localhost';
GRANT ALL ON shop.* TO 'portal'@'127.0.0.1';
USE shop;
CREATE TABLE items (id INT PRIMARY KEY, name VARCHAR(80), price INT, stock INT);
INSERT INTO items VALUES
 (1, 'Hinge 40 mm', 120, 800), (2, 'Bracket L', 340, 260), (3, 'Rail 2 m', 1980, 75), (4, 'Torque wrench', 9800, 12),
 (5, 'Drill bit set', 4200, 40), (6, 'Select clamp "Union"', 2600, 31), (7, 'Vise 100 mm', 7400, 9),
 (8, 'Hex key set', 1500, 120), (9, 'Feeler gauge', 880, 64), (10, 'Cutting oil 1 l', 1300, 55);
CREATE TABLE customers (
  id INT PRIMARY KEY AUTO_INCREMENT, login VARCHAR(40) UNIQUE, name VARCHAR(80), mail VARCHAR(80), password VARCHAR(64),
  card VARCHAR(24));
INSERT INTO customers (login, name, mail, password, card) VALUES
 ('sato', 'Sato Hana', 'sato@customer.example', SHA2('Asagao-2031', 256), '4000-0000-0000-0101'),
 ('obrien', "Liam O'Brien", "o'brien@customer.example", SHA2('Rock''n''Roll--88;', 256), '4000-0000-0000-0202'),
 ('kimura', 'Kimura Jun', 'kimura@customer.example', SHA2('Botan-4410', 256), '4000-0000-0000-0303'),
 ('mori', 'Mori Aya', 'mori@customer.example', SHA2('Sumire-7781', 256), '4000-0000-0000-0404');
CREATE TABLE staff (login VARCHAR(40) PRIMARY KEY, name VARCHAR(80), password VARCHAR(64));
INSERT INTO staff VALUES
 ('admin', 'Shop administrator', SHA2('portal2024', 256)), ('tanaka', 'Tanaka Yui', SHA2('Momiji-5520', 256));
CREATE TABLE orders (id INT PRIMARY KEY AUTO_INCREMENT, customer INT, item INT, amount INT, ordered DATE);
INSERT INTO orders (customer, item, amount, ordered)
  SELECT 1 + seq MOD 4, 1 + seq MOD 10, 1 + seq MOD 7, DATE '2026-01-01' + INTERVAL seq DAY FROM seq_1_to_120;
CREATE TABLE messages (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(80), body TEXT);
CREATE TABLE news (id INT PRIMARY KEY AUTO_INCREMENT, body TEXT);
INSERT INTO news (body) VALUES ('We are closed from December 29th to January 4th.');
