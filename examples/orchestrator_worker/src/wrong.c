/* This one does not compile: how a failed task looks. */
int wrong(void)
{
  return undeclared;
}
