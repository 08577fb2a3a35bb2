-- Golden pairs: what each program of `golden/` compiles to. After a change that is
-- meant, GOLDEN=write writes them anew; read the difference before you commit it.

local run = require "spec.support.run"

local function read(path)
  local file = io.open(path, "rb")
  local text = file and file:read "a"
  if file then file:close() end
  return text
end

describe("the compiler's output", function()
  for path in io.popen "ls spec/dsl/golden/*.dsl":lines() do
    it("is golden for " .. path:match "[^/]*$", function()
      local program = assert(run.compile(read(path)))
      local lua, golden = program:lua() .. "\n", path:gsub("%.dsl$", ".golden")
      if os.getenv "GOLDEN" == "write" then
        local file = assert(io.open(golden, "wb"))
        file:write(lua)
        file:close()
      end
      assert.equal(read(golden), lua)
    end)
  end
end)
