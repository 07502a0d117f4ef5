// Times and ages in words, in the language of the browser.

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat(undefined, { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' });
const shortDay = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });

/** Hours, minutes and seconds. */
export const timeOfDay = (time) => clock.format(time);

/** Day and time. */
export const whole = (time) => `${day.format(time)}, ${clock.format(time)}`;

/** The day, if it is not that of another time. */
export const otherDay = (time, other) =>
  new Date(time).toDateString() === new Date(other).toDateString() ? '' : shortDay.format(time);

/** A span of milliseconds in its largest unit. */
export function span(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  if (seconds < 36 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

/** Sets a text only where it differs: what has not changed is not read out again. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** An element with these properties and children. */
export function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

/** Where a snapshot is. */
export const source = (uid, time) => `snapshots/${uid}/${time}.jpg`;
