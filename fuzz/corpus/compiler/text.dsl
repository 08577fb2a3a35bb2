STATE s = """
  a "quoted" {{ JSON.stringify({a: "}}"}) }}
    \{{ b }} \n
"""
RETURN s.length + -1
