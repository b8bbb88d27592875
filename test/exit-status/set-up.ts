/** Global set-up of the runs whose exit status is tested. */

const current = process.env.EXIT_STATUS_CASE;

export default function setup(): () => Promise<void> {
  if (current === 'a set-up that throws') throw new Error('in the set-up');
  return async () => {
    if (current === 'a tear-down that throws') throw new Error('in the tear-down');
  };
}
