-- A check for every row, so that damage to the file is found; a row that was written before this has none.
-- For a shard also the CRC-32 of its committed bytes: while it grows it has no sha256.
ALTER TABLE meta ADD COLUMN crc32 INTEGER;
ALTER TABLE log ADD COLUMN crc32 INTEGER;
ALTER TABLE position ADD COLUMN crc32 INTEGER;
ALTER TABLE listings ADD COLUMN crc32 INTEGER;
ALTER TABLE listing_pages ADD COLUMN crc32 INTEGER;
ALTER TABLE counts ADD COLUMN crc32 INTEGER;
ALTER TABLE shards ADD COLUMN bytes_crc32 INTEGER;
ALTER TABLE shards ADD COLUMN crc32 INTEGER;
ALTER TABLE totals ADD COLUMN crc32 INTEGER;
