STATE x = 
WHIEL true:
	STATE a = )
if x: BREAK
STATE 5 = "abc
STATE b = {a: [1, “é”
