-- What fuzzing looks for (`make fuzz`), on every input in the tree: what once broke
-- something lies among them.

for target in io.popen("ls fuzz/corpus"):lines() do
  describe("the fuzzing target " .. target, function()
    local check = dofile("fuzz/" .. target .. ".lua")
    for name in io.popen("ls fuzz/corpus/" .. target):lines() do
      it("holds for " .. name, function()
        local file = assert(io.open("fuzz/corpus/" .. target .. "/" .. name, "rb"))
        local bytes = file:read "a"
        file:close()
        assert.equal((check(bytes)), (check(bytes)))
      end)
    end
  end)
end
