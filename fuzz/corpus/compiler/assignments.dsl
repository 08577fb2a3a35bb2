STATE n = 1
STATE o = {a: [n, 2], "b c": {}}
UPDATE o.a[n] = n * 3
SET o.name = "x{{n}}"
APPEND o.a n / 2
