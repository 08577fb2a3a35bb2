/* Strings that grow; see buffer.h. */
#include "buffer.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { SMALLEST = 512 };

bool orchlua_reserve(struct buffer *buffer, size_t room)
{
  if (room <= buffer->capacity - buffer->size) return true;
  if (room > SIZE_MAX / 4 || buffer->size > SIZE_MAX / 4) return false;
  size_t capacity = buffer->capacity < SMALLEST ? SMALLEST : buffer->capacity * 2;
  if (capacity < buffer->size + room) capacity = buffer->size + room;
  char *data = realloc(buffer->data, capacity);
  if (data == NULL) return false;
  buffer->data = data;
  buffer->capacity = capacity;
  return true;
}

bool orchlua_append(struct buffer *buffer, const void *data, size_t size)
{
  if (!orchlua_reserve(buffer, size)) return false;
  if (size > 0) memcpy(buffer->data + buffer->size, data, size);
  buffer->size += size;
  return true;
}

void orchlua_release(struct buffer *buffer)
{
  free(buffer->data);
  *buffer = (struct buffer){ 0 };
}
