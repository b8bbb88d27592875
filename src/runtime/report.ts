/** What went wrong on our side, for whoever runs the service. */

/**
 * Own failures, one line of JSON each on stderr: never in an answer. Of a failed statement the cause and the place,
 * not the parameters: they are the events.
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
