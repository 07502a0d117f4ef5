// Asks what is new, and shows it: the job, what is wrong, the newest snapshot of each user. The time line is timeline.js's.

import { TimeLine } from './timeline.js';
import { make, say, source, span, timeOfDay } from './words.js';

/** Milliseconds until it is tried again after an answer that did not come. */
const AGAIN = 2000;
/** An answer may have to wait for the cluster and the bucket. */
const PATIENCE = 60_000;
/** A snapshot as old as so many intervals is not called live any more. */
const LIVE = 4;

const id = (name) => document.getElementById(name);
const line = new TimeLine();
/** By uid: the elements of a user. */
const cards = new Map();
/** How far this clock is behind that of the plugin, in milliseconds. */
let behind = 0;
let interval = 10;
let timer;
let asking = false;

async function ask() {
  clearTimeout(timer);
  if (asking) return;
  asking = true;
  let again = AGAIN;
  try {
    const answer = await fetch('state', { signal: AbortSignal.timeout(PATIENCE) });
    if (answer.status === 403) {
      lost('This address is no longer valid', 'Another gallery runs here now. Take the address that the plugin printed last.');
    } else if (!answer.ok) {
      lost('The plugin does not answer as it should', `It answered with ${answer.status}. It is asked again by itself.`);
    } else {
      const told = await answer.json();
      show(told);
      again = told.reading ? 200 : told.againMilliseconds;
    }
  } catch {
    lost(
      'The connection is lost',
      'kubectl snapshotjob has ended, or this machine slept. If it still runs, the page goes on by itself; else run it again and open the address that it prints.',
    );
  }
  asking = false;
  // A page that nobody sees asks nothing.
  if (!document.hidden) timer = setTimeout(ask, again);
}

function lost(title, words) {
  pulse('lost', 'Not connected');
  tell([{ kind: 'problem', title, words }]);
}

function show(told) {
  behind = told.now - Date.now();
  interval = told.intervalSeconds;
  say(id('name'), told.name);
  document.title = `${told.name}: snapshots`;
  const of = told.users.length === 1 ? '1 user' : `${told.users.length} users`;
  const count = told.users.reduce((sum, user) => sum + user.count, 0);
  const about = `Namespace ${told.namespace}, channel ${told.channel}, every ${interval} s`;
  say(id('about'), count ? `${about}: ${count.toLocaleString()} snapshots of ${of}` : about);
  if (told.problem) pulse('problem', 'Out of date');
  else if (told.reading) pulse('reading', 'Reading the bucket …');
  else pulse(told.phase === 'Running' ? 'live' : 'idle', told.phase);
  const words = [];
  if (told.problem) words.push({ kind: 'problem', ...told.problem });
  if (told.notice) words.push({ kind: told.users.length ? 'note' : 'empty', ...told.notice });
  tell(words);
  id('newest').hidden = told.users.length === 0;
  showUsers(told.users);
  const chosen = told.users.find((user) => user.uid === line.uid);
  const [first] = told.users.toSorted((a, b) => b.newest - a.newest);
  if (chosen) line.update(chosen, interval);
  else if (first) open(first);
  else id('timeline').hidden = true;
  age();
}

function pulse(is, words) {
  id('pulse').dataset.is = is;
  say(id('pulse'), words);
}

/** Says what is wrong, or why there is nothing; the same is not said twice. */
function tell(all) {
  const text = JSON.stringify(all);
  if (id('words').dataset.told === text) return;
  id('words').dataset.told = text;
  id('words').replaceChildren(
    ...all.map(({ kind, title, words, command }) => {
      const children = [make('strong', {}, title), ' ', make('span', {}, words)];
      if (command) children.push(make('span', { className: 'why' }, 'Why? ', make('code', {}, command)));
      return make('p', { className: kind }, ...children);
    }),
  );
}

function showUsers(users) {
  const known = new Set(users.map((user) => user.uid));
  for (const [uid, card] of cards) {
    if (!known.has(uid)) {
      card.item.remove();
      cards.delete(uid);
    }
  }
  users.forEach((user, at) => {
    const card = cards.get(user.uid) ?? add(user.uid, at);
    card.user = user;
    if (card.shown === user.newest) return;
    card.shown = user.newest;
    card.image.src = source(user.uid, user.newest);
    card.image.alt = `Newest snapshot of user ${user.uid}, taken at ${timeOfDay(user.newest)}`;
    card.age.dataset.age = user.newest;
    card.age.dateTime = new Date(user.newest).toISOString();
    say(card.count, user.count === 1 ? '1 snapshot' : `${user.count.toLocaleString()} snapshots`);
  });
}

function add(uid, at) {
  const image = make('img', { width: 320, height: 180, loading: 'lazy', decoding: 'async' });
  image.addEventListener('error', () => {
    image.classList.add('broken');
    // One who has left has no newer one: what could not be had is asked for again with the next answer.
    card.shown = null;
  });
  image.addEventListener('load', () => image.classList.remove('broken'));
  const age = make('time', { className: 'age' });
  const count = make('span', { className: 'dim' });
  const button = make(
    'button',
    { type: 'button', className: 'card' },
    image,
    make('span', { className: 'who' }, make('strong', {}, `User ${uid}`), ' ', age),
    count,
  );
  button.setAttribute('aria-pressed', 'false');
  const item = make('li', {}, button);
  const card = { item, button, image, age, count };
  button.addEventListener('click', () => {
    open(card.user);
    const smooth = matchMedia('(prefers-reduced-motion: no-preference)').matches;
    id('timeline').scrollIntoView({ behavior: smooth ? 'smooth' : 'auto', block: 'nearest' });
  });
  cards.set(uid, card);
  id('users').insertBefore(item, id('users').children[at] ?? null);
  return card;
}

function open(user) {
  line.open(user, interval);
  for (const [uid, { button }] of cards) button.setAttribute('aria-pressed', String(uid === user.uid));
}

/** Ages grow by themselves. */
function age() {
  const now = Date.now() + behind;
  for (const element of document.querySelectorAll('[data-age]')) {
    const passed = now - Number(element.dataset.age);
    if (element.dataset.age) say(element, `${span(passed)} ago`);
  }
  for (const { user, button } of cards.values()) {
    button.classList.toggle('live', now - user.newest < LIVE * 1000 * interval);
  }
}

/** Arrow keys go from user to user, as Tab does. */
id('users').addEventListener('keydown', (event) => {
  const buttons = [...id('users').querySelectorAll('button')];
  const at = buttons.indexOf(document.activeElement);
  const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: buttons.length - 1 }[event.key];
  if (at < 0 || buttons[to] === undefined) return;
  event.preventDefault();
  buttons[to].focus();
});

id('timeline').addEventListener('chosen', age);
document.addEventListener('visibilitychange', () => document.hidden || ask());
setInterval(age, 1000);
ask();
