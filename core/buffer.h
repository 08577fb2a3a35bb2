/* A string that grows. */
#ifndef ORCHLUA_BUFFER_H
#define ORCHLUA_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

/* All zero, it is an empty one. */
struct buffer {
  char *data;
  size_t size, capacity;
};

/* Makes room for `room` more bytes. False when there is no memory. */
bool orchlua_reserve(struct buffer *buffer, size_t room);

/* Adds bytes at the end. False when there is no memory. */
bool orchlua_append(struct buffer *buffer, const void *data, size_t size);

void orchlua_release(struct buffer *buffer);

#endif
