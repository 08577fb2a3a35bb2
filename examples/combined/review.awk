# Reads the name of a C file; prints, as JSON, its lines, its functions, the longest
# of them, and how many lines are comment. A function's braces stand in column 1.
{ file = $0; exit }
END {
  name = "-"
  while ((status = (getline line < file)) > 0) {
    lines++
    if (line ~ /^[ \t]*\/\*/) inside = 1
    if (inside || line ~ /^[ \t]*\/\//) comments++
    if (line ~ /\*\//) inside = 0
    if (line ~ /^{/) { start = lines; functions++ }
    if (line ~ /^}/ && start) {
      if (lines - start + 1 > longest) { longest = lines - start + 1; name = header }
      start = 0
    }
    if (line ~ /^[a-z].*\(/) { header = line; sub(/\(.*/, "", header); sub(/.*[ *]/, "", header) }
  }
  if (status < 0) { print "cannot read " file > "/dev/stderr"; exit 1 }
  sub(/.*\//, "", file)
  printf "{\"file\": \"%s\", \"lines\": %d, \"functions\": %d, \"longest\": %d, \"name\": \"%s\", \"comments\": %d}\n", file, lines, functions, longest, name, comments
}
