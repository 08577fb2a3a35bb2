## Three readers and a judge
# Models read a text side by side, each with its own eye; a judge weighs what they say
# and must answer in a shape that the program can use.
INPUT text = "Our library opens at nine. It is open until late, except on days when it is not."
STATE verdict_shape = {
  type: "object",
  properties: {keep: {type: "boolean"}, rewrite: {type: "string"}},
  required: ["keep", "rewrite"],
  additionalProperties: false
}
STATE remarks = []

BUDGET {calls: 12, tokens: 60000}

## Reading
PARALLEL:
  FOREACH reader IN ["clarity", "facts", "tone"]:
    EVENT completion:async {agent_id: reader, prompt: "In one sentence, what is wrong with this text? {{text}}", timeout: 60} AS remark
    APPEND remarks {by: reader, says: remark.output}

## Judging
EVENT completion:async {
  agent_id: "judge", timeout: 60, schema: verdict_shape,
  prompt: "The text: {{text}}\nThe remarks: {{SORT(remarks, r => r.by)}}\nKeep the text, or rewrite it?"
} AS verdict

RETURN verdict.keep ? text : verdict.rewrite
