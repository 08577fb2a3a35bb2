std = "lua54"
max_line_length = 160
files["spec"] = { std = "lua54+busted" }
files["bench"] = { std = "lua54" }
