// Says in words what the live stream is doing. Everything else on the page works without this file.
const say = (text) => {
  const state = document.getElementById('live-state');
  if (state) state.textContent = text;
};
document.addEventListener('htmx:before:request', (event) => {
  if (event.target.id === 'live') say('Connecting…');
});
document.addEventListener('htmx:sse:after:connection', () => say('Live: new events appear on top.'));
document.addEventListener('htmx:sse:before:connection', (event) => {
  if (event.detail.connection.attempt > 0) say(document.hidden ? 'Paused while hidden.' : 'Reconnecting…');
});
document.addEventListener('htmx:sse:error', () => say('Not connected. Trying again…'));
document.addEventListener('htmx:error', () => say('Not connected. Trying again…'));
document.addEventListener('htmx:response:error', () => say('Not connected. Trying again…'));
