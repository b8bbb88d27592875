/** report(): writes internal errors to stderr, for the operator. */

/**
 * Writes an internal error as one line of JSON on stderr. Of a failed statement it has the cause and the stack but not
 * the parameters, which are the events' content.
 */
export function report(what: string, error: unknown): void {
  const { message, cause, stack } = error instanceof Error ? error : new Error(String(error));
  const line = {
    time: new Date().toISOString(),
    what,
    message: message.split('\nparams:')[0]?.slice(0, message_chars_max),
    ...(cause !== undefined && { cause: String(cause) }),
    at: stack
      ?.split('\n')
      .filter((text) => text.startsWith('    at '))
      .map((text) => text.trim()),
  };
  console.error(JSON.stringify(line));
}

const message_chars_max = 500;
