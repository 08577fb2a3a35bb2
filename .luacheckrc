std = "lua54"
max_line_length = 160
files["spec"] = { std = "lua54+busted", max_line_length = false }
files["bench"] = { std = "lua54" }
