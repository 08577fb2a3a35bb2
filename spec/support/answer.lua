-- The reader of answers of HTTP/1.1 by itself, of `answer.c`: `read(pieces, to_head, closed)`.

local library = os.tmpname()
assert(os.execute(("gcc -std=c11 -D_GNU_SOURCE -shared -fPIC -O1 $(pkg-config --cflags lua5.4) spec/support/answer.c core/answer.c core/buffer.c -o %s"):format(library)))
local read = assert(package.loadlib(library, "luaopen_answer"))()
os.remove(library)
return read
