STATE list = [3, 1, 2]
STATE a = FILTER(list, n > 1)
STATE b = SORT(list, x => 0 - x)
STATE c = REDUCE(list, (sum, x) => sum + x)
STATE d = COUNT(list WHERE size == 1)
