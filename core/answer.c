/* Reads answers of HTTP/1.1; see answer.h. Section numbers are those of RFC 9112. */
#include "answer.h"

#include <string.h>
#include <strings.h>

enum {
  LINES = 1024 * 1024, /* bytes of all heads and trailers of an answer */
  CHUNK_LINE = 4096    /* bytes of the line before a chunk */
};

static enum answer_event broken(struct answer *answer, const char *problem)
{
  answer->problem = problem;
  return ANSWER_BROKEN;
}

/* Words ------------------------------------------------------------------------- */

static bool is_blank(char byte) { return byte == ' ' || byte == '\t'; }

static struct bytes trimmed(struct bytes text)
{
  while (text.size > 0 && is_blank(text.data[0])) text.data++, text.size--;
  while (text.size > 0 && (is_blank(text.data[text.size - 1]) || strchr("\r\n", text.data[text.size - 1]) != NULL)) text.size--;
  return text;
}

static bool is_word(struct bytes text, const char *word)
{
  return text.size == strlen(word) && strncasecmp(text.data, word, text.size) == 0;
}

/* Takes the next of the words that commas part off the front of `list`. */
static struct bytes next_word(struct bytes *list)
{
  const char *comma = memchr(list->data, ',', list->size);
  size_t size = comma != NULL ? (size_t)(comma - list->data) : list->size, taken = comma != NULL ? size + 1 : size;
  struct bytes word = trimmed((struct bytes){ list->data, size });
  list->data += taken;
  list->size -= taken;
  return word;
}

static bool has_word(struct bytes list, const char *word)
{
  while (list.size > 0) {
    if (is_word(next_word(&list), word)) return true;
  }
  return false;
}

static int digit_of(char byte, int base)
{
  int digit = byte >= '0' && byte <= '9' ? byte - '0' : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : byte >= 'A' && byte <= 'F' ? byte - 'A' + 10 : 16;
  return digit < base ? digit : -1;
}

/* Reads a number to the end of the text. False when it is none, or too large for a size of anything. */
static bool read_number(struct bytes text, int base, uint64_t *number)
{
  *number = 0;
  for (size_t i = 0; i < text.size; i++) {
    int digit = digit_of(text.data[i], base);
    if (digit < 0 || *number > UINT64_MAX / 32) return false;
    *number = *number * (uint64_t)base + (uint64_t)digit;
  }
  return text.size > 0;
}

/* Lines ------------------------------------------------------------------------- */

/* Takes a line of at most so many bytes, with its end; ANSWER_MORE when it has not come whole. */
static enum answer_event read_line(struct answer *answer, struct bytes *given, struct bytes *line, size_t most)
{
  if (answer->line_is_done) answer->line.size = 0;
  answer->line_is_done = false;
  const char *feed = memchr(given->data, '\n', given->size);
  size_t size = feed != NULL ? (size_t)(feed - given->data) + 1 : given->size;
  if (size > most || answer->line.size > most - size) return broken(answer, "the headers of the answer are too large");
  *line = (struct bytes){ given->data, size };
  given->data += size;
  given->size -= size;
  if (feed != NULL && answer->line.size == 0) return ANSWER_LINE;
  if (!orchlua_append(&answer->line, line->data, size)) return broken(answer, "not enough memory");
  *line = (struct bytes){ answer->line.data, answer->line.size };
  answer->line_is_done = feed != NULL;
  return feed != NULL ? ANSWER_LINE : ANSWER_MORE;
}

/* A zero byte, or a CR that is no part of a line's end, would mean something else to whoever reads the line next (2.2). */
static bool is_sound(struct bytes line)
{
  const char *end = memchr(line.data, '\r', line.size);
  return memchr(line.data, '\0', line.size) == NULL && (end == NULL || end + 2 == line.data + line.size);
}

/* Takes a line of a head or a trailer. */
static enum answer_event read_head_line(struct answer *answer, struct bytes *given, struct bytes *line)
{
  enum answer_event event = read_line(answer, given, line, LINES - answer->lines);
  if (event != ANSWER_LINE) return event;
  answer->lines += line->size;
  return is_sound(*line) ? ANSWER_LINE : broken(answer, "a header of the answer has a zero byte or a lone CR in it");
}

static bool is_empty(struct bytes line) { return line.data[0] == '\n' || (line.size == 2 && line.data[0] == '\r'); }

/* The head ---------------------------------------------------------------------- */

int orchlua_answer_status(struct bytes line)
{
  uint64_t status = 0;
  bool is_http = line.size >= 12 && memcmp(line.data, "HTTP/", 5) == 0;
  const char *space = is_http ? memchr(line.data, ' ', line.size) : NULL;
  if (space == NULL || line.data + line.size - space < 4) return 0;
  if (line.data + line.size - space > 4 && digit_of(space[4], 10) >= 0) return 0;
  return read_number((struct bytes){ space + 1, 3 }, 10, &status) && status >= 100 ? (int)status : 0;
}

/* What the answer is as long as no header says otherwise (9.3). */
static enum answer_event take_status(struct answer *answer, struct bytes line)
{
  answer->status = orchlua_answer_status(line);
  if (answer->status == 0 || memcmp(line.data, "HTTP/1.", 7) != 0) return broken(answer, "what came is no answer of HTTP/1.1");
  if (answer->status == 101) return broken(answer, "the server changes to a protocol that nobody asked for");
  answer->is_old = line.data[7] == '0';
  answer->keeps = !answer->is_old;
  answer->closes = answer->frames = answer->is_chunked = answer->has_length = false;
  answer->left = 0;
  answer->place = AT_HEADER;
  return ANSWER_LINE;
}

static bool has_no_body(const struct answer *answer)
{
  return answer->to_head || answer->status < 200 || answer->status == 204 || answer->status == 304;
}

/* Content-Length (6.2): several are fine when they say the same. */
static enum answer_event take_length(struct answer *answer, struct bytes text)
{
  uint64_t length;
  if (has_no_body(answer)) return ANSWER_LINE;
  if (!read_number(text, 10, &length)) return broken(answer, "the length of the answer is no number");
  if (answer->has_length && answer->left != length) return broken(answer, "the answer has two lengths");
  answer->has_length = true;
  answer->left = length;
  return ANSWER_LINE;
}

/* Transfer-Encoding (6.1). We ask for none, so that a server may send chunks and nothing else. */
static enum answer_event take_coding(struct answer *answer, struct bytes text)
{
  if (has_no_body(answer) || is_word(text, "identity")) return ANSWER_LINE;
  if (!is_word(text, "chunked")) return broken(answer, "the answer's Transfer-Encoding is not known");
  answer->is_chunked = true;
  return ANSWER_LINE;
}

/* Connection (9.3). */
static enum answer_event take_connection(struct answer *answer, struct bytes text)
{
  if (has_word(text, "keep-alive")) answer->keeps = true;
  if (has_word(text, "close")) answer->closes = true;
  return ANSWER_LINE;
}

/* A line that begins with a blank is more of the header before (5.2). Nobody does that with those which are understood here. */
static enum answer_event take_header(struct answer *answer, struct bytes line)
{
  static const struct { const char *name; enum answer_event (*take)(struct answer *, struct bytes); } known[] = {
    { "content-length", take_length }, { "transfer-encoding", take_coding }, { "connection", take_connection }
  };
  if (is_blank(line.data[0])) return answer->frames ? broken(answer, "a header that the end of the answer depends on has a second line") : ANSWER_LINE;
  answer->frames = false;
  const char *colon = memchr(line.data, ':', line.size);
  if (colon == NULL) return broken(answer, "a line of the answer's head is no header");
  struct bytes name = trimmed((struct bytes){ line.data, (size_t)(colon - line.data) });
  struct bytes text = trimmed((struct bytes){ colon + 1, line.size - (size_t)(colon + 1 - line.data) });
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (!is_word(name, known[i].name)) continue;
    answer->frames = true;
    return known[i].take(answer, text);
  }
  return ANSWER_LINE;
}

/* The head is whole: how the end of the body is found (6.3). */
static void end_head(struct answer *answer)
{
  if (answer->closes) answer->keeps = false;
  if (answer->status < 200) {
    answer->place = AT_STATUS; /* an interim one; the answer is still to come */
  } else if (has_no_body(answer)) {
    answer->place = AT_END;
  } else if (answer->is_chunked) {
    if (answer->has_length || answer->is_old) answer->keeps = false; /* who sends that may have meant something else (6.1) */
    answer->place = AT_CHUNK_SIZE;
  } else if (answer->has_length) {
    answer->place = answer->left > 0 ? IN_BODY : AT_END;
  } else {
    answer->keeps = false;
    answer->place = IN_OPEN_BODY;
  }
}

static enum answer_event read_status(struct answer *answer, struct bytes *given, struct bytes *found)
{
  enum answer_event event = read_head_line(answer, given, found);
  return event == ANSWER_LINE ? take_status(answer, *found) : event;
}

static enum answer_event read_header(struct answer *answer, struct bytes *given, struct bytes *found)
{
  enum answer_event event = read_head_line(answer, given, found);
  if (event != ANSWER_LINE) return event;
  if (!is_empty(*found)) return take_header(answer, *found);
  end_head(answer);
  return ANSWER_LINE;
}

/* The body ---------------------------------------------------------------------- */

/* Takes what has come of the `left` bytes. */
static enum answer_event read_piece(struct answer *answer, struct bytes *given, struct bytes *found)
{
  size_t size = given->size < answer->left ? given->size : (size_t)answer->left;
  *found = (struct bytes){ given->data, size };
  given->data += size;
  given->size -= size;
  answer->left -= size;
  if (answer->left == 0) answer->place = answer->is_chunked ? BEHIND_CHUNK : AT_END;
  return ANSWER_BODY;
}

static enum answer_event read_open_body(struct bytes *given, struct bytes *found)
{
  *found = *given;
  given->data += given->size;
  given->size = 0;
  return ANSWER_BODY;
}

/* The line before a chunk: its size in hexadecimal digits, and what nobody needs behind a semicolon (7.1). */
static enum answer_event read_chunk_size(struct answer *answer, struct bytes *given)
{
  struct bytes line;
  enum answer_event event = read_line(answer, given, &line, CHUNK_LINE);
  if (event != ANSWER_LINE) return event;
  const char *semicolon = memchr(line.data, ';', line.size);
  if (semicolon != NULL) line.size = (size_t)(semicolon - line.data);
  if (!read_number(trimmed(line), 16, &answer->left)) return broken(answer, "the size of a chunk is no number");
  answer->place = answer->left > 0 ? IN_CHUNK : AT_TRAILER;
  return ANSWER_MORE;
}

static enum answer_event read_chunk_end(struct answer *answer, struct bytes *given)
{
  struct bytes line;
  enum answer_event event = read_line(answer, given, &line, 2);
  if (event == ANSWER_BROKEN || (event == ANSWER_LINE && !is_empty(line))) return broken(answer, "a chunk is longer than its size says");
  if (event == ANSWER_LINE) answer->place = AT_CHUNK_SIZE;
  return ANSWER_MORE;
}

static enum answer_event read_trailer(struct answer *answer, struct bytes *given)
{
  struct bytes line;
  enum answer_event event = read_head_line(answer, given, &line);
  if (event != ANSWER_LINE) return event;
  if (is_empty(line)) answer->place = AT_END;
  return ANSWER_MORE;
}

/* An answer --------------------------------------------------------------------- */

static enum answer_event read_next(struct answer *answer, struct bytes *given, struct bytes *found)
{
  switch (answer->place) {
  case AT_STATUS: return read_status(answer, given, found);
  case AT_HEADER: return read_header(answer, given, found);
  case AT_CHUNK_SIZE: return read_chunk_size(answer, given);
  case BEHIND_CHUNK: return read_chunk_end(answer, given);
  case AT_TRAILER: return read_trailer(answer, given);
  case IN_OPEN_BODY: return read_open_body(given, found);
  default: return read_piece(answer, given, found);
  }
}

enum answer_event orchlua_answer_read(struct answer *answer, struct bytes *given, struct bytes *found)
{
  while (answer->place != AT_END && given->size > 0) {
    enum answer_event event = read_next(answer, given, found);
    if (event != ANSWER_MORE) return event;
  }
  return answer->place == AT_END ? ANSWER_END : ANSWER_MORE;
}

enum answer_event orchlua_answer_close(struct answer *answer)
{
  answer->keeps = false;
  if (answer->place == AT_END || answer->place == IN_OPEN_BODY) return ANSWER_END;
  return broken(answer, "the server closed the connection before the answer was whole");
}

void orchlua_answer_begin(struct answer *answer, bool to_head)
{
  *answer = (struct answer){ .to_head = to_head };
}

void orchlua_answer_free(struct answer *answer) { orchlua_release(&answer->line); }
