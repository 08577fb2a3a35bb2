STATE x = toE(1)
STATE y = [].qqqqqq(1)
