// The time line of one user: a strip of thumbnails that is loaded in pieces, and the snapshot that is chosen from it.
//
// However long a session is, only a window of the strip is in the page: what comes in at one end goes out at the other.

import { make, otherDay, say, source, span, timeOfDay, whole } from './words.js';

/** Snapshots of one piece, and of the whole window. */
const PIECE = 60;
const WINDOW = 240;
/** Nothing for so many intervals is a gap. */
const GAP = 5;

const id = (name) => document.getElementById(name);
const still = matchMedia('(prefers-reduced-motion: reduce)');

export class TimeLine {
  #user = null;
  #interval = 10;
  /** The window, oldest first, and its elements. */
  #times = [];
  #items = [];
  #chosen = null;
  /** Whether the newest is chosen as it comes. */
  #following = true;
  /** Grows with every new window: answers for an older one are dropped. */
  #generation = 0;
  /** What is being loaded, if anything; and whether it is a new window. */
  #loading = null;
  #opening = false;
  /** Whether the strip was scrolled meanwhile. */
  #passed = false;
  /** What was asked for by key or button, one after the other. */
  #turn = Promise.resolve();
  /** Images that could not be had. */
  #failed = new Set();
  /** Whether the slider is being moved. */
  #seeking = false;
  #section = id('timeline');
  #strip = id('strip');
  #large = id('large');
  #jump = id('jump');

  constructor() {
    id('oldest').onclick = () => this.#inTurn(() => this.#end('oldest'));
    id('latest').onclick = () => this.#inTurn(() => this.#end('newest'));
    id('earlier').onclick = () => this.#inTurn(() => this.#step(-1));
    id('later').onclick = () => this.#inTurn(() => this.#step(1));
    this.#section.addEventListener('keydown', (event) => this.#key(event));
    this.#strip.addEventListener('scroll', () => this.#fill(), { passive: true });
    this.#strip.addEventListener('click', (event) => {
      const item = event.target.closest('li');
      if (item) this.#choose(this.#times[this.#items.indexOf(item)]);
    });
    // A phone that is turned keeps what was chosen in sight.
    addEventListener('resize', () => this.#reveal(this.#items[this.#times.indexOf(this.#chosen)], 'center'));
    this.#jump.addEventListener('input', () => {
      this.#seeking = true;
      this.#tellJump(Number(this.#jump.value));
    });
    this.#jump.addEventListener('change', () => {
      this.#seeking = false;
      const time = Number(this.#jump.value);
      this.#inTurn(() => this.#goTo(time));
    });
    this.#large.addEventListener('error', () => {
      this.#failed.add(this.#large);
      this.#missing(true);
    });
    this.#large.addEventListener('load', () => this.#missing(false));
  }

  /** Uid of the user whose time line it is. */
  get uid() {
    return this.#user?.uid ?? null;
  }

  /** Shows the time line of a user. */
  open(user, interval) {
    this.#user = user;
    this.#interval = interval;
    this.#section.hidden = false;
    say(id('whose'), String(user.uid));
    return this.#end('newest');
  }

  /** There may be something new of the user. */
  async update(user, interval) {
    this.#user = user;
    this.#interval = interval;
    this.#retry();
    this.#tellBounds();
    if (this.#loading || !(this.#times.at(-1) < user.newest)) return;
    if (!this.#following) return this.#fill();
    // Whoever has scrolled back in the strip is left there.
    const { scrollLeft, scrollWidth, clientWidth } = this.#strip;
    if (scrollWidth - scrollLeft - clientWidth > clientWidth / 2) {
      this.#choose(user.newest, { follow: true });
      return;
    }
    await this.#extend('after');
    if (this.#times.at(-1) < user.newest) return this.#end('newest');
    this.#choose(this.#times.at(-1), { follow: true });
    this.#reveal(this.#items.at(-1), 'end');
  }

  /** Asks once more for what could not be had; what is out of sight waits until it is not. */
  #retry() {
    const failed = [...this.#failed];
    this.#failed.clear();
    for (const image of failed) {
      if (image.isConnected) image.src = image.getAttribute('src');
    }
  }

  /** A piece of the time line: the newest before a time, or the oldest after one. */
  async #piece(side, time, most = PIECE) {
    const answer = await fetch(`users/${this.#user.uid}/times?${side}=${time}&most=${most}`);
    if (!answer.ok) throw new Error(`the time line was answered with ${answer.status}`);
    return (await answer.json()).times;
  }

  /** A new window around a time; the nearest snapshot up to it is chosen. */
  async #goTo(time, options = {}) {
    this.#opening = true;
    await this.#load(this.#open(time, options, ++this.#generation));
    await this.#fill();
  }

  async #open(time, options, generation) {
    try {
      const [before, after] = await Promise.all([
        this.#piece('before', time + 1),
        time >= this.#user.newest ? [] : this.#piece('after', time),
      ]);
      if (generation !== this.#generation) return;
      this.#times = [...before, ...after];
      this.#items = this.#times.map((taken) => this.#item(taken));
      this.#strip.replaceChildren(...this.#items);
      this.#mark(0, this.#items.length);
      if (this.#times.length) {
        this.#choose(before.at(-1) ?? after[0], options);
        this.#reveal(this.#items[Math.max(before.length - 1, 0)], 'center');
      }
    } catch {
      // The next question of the page tells what is wrong.
    } finally {
      if (generation === this.#generation) this.#opening = false;
    }
  }

  /** Keeps what is being loaded until it is there. */
  #load(answer) {
    const loading = answer.finally(() => {
      if (this.#loading === loading) this.#loading = null;
      if (this.#passed) this.#fill();
    });
    this.#loading = loading;
    return loading;
  }

  /** The oldest or the newest of all. */
  #end(which, options = {}) {
    return this.#goTo(this.#user[which], { follow: which === 'newest', ...options });
  }

  /** Lets the window grow at one end, unless something is being loaded. Whether there was anything. */
  #extend(side) {
    if (this.#loading || !this.#times.length) return false;
    return this.#load(this.#grow(side, this.#generation));
  }

  async #grow(side, generation) {
    try {
      const times = await this.#piece(side, side === 'before' ? this.#times[0] : this.#times.at(-1));
      if (generation !== this.#generation || !times.length) return false;
      const items = times.map((taken) => this.#item(taken));
      // What is seen stays where it is.
      const { scrollLeft, scrollWidth } = this.#strip;
      if (side === 'before') {
        this.#strip.prepend(...items);
        this.#times.unshift(...times);
        this.#items.unshift(...items);
        this.#mark(0, items.length + 1);
        this.#strip.scrollLeft = scrollLeft + this.#strip.scrollWidth - scrollWidth;
        this.#cut(this.#items.splice(WINDOW), this.#times.splice(WINDOW));
      } else {
        this.#strip.append(...items);
        this.#times.push(...times);
        this.#items.push(...items);
        this.#mark(this.#items.length - items.length, this.#items.length);
        const over = Math.max(0, this.#items.length - WINDOW);
        const width = this.#strip.scrollWidth;
        this.#cut(this.#items.splice(0, over), this.#times.splice(0, over));
        this.#strip.scrollLeft -= width - this.#strip.scrollWidth;
      }
      return true;
    } catch {
      return false;
    }
  }

  /** Takes elements out; the keyboard's place among them goes to the window. */
  #cut(items) {
    const held = items.some((item) => item.contains(document.activeElement));
    items.forEach((item) => item.remove());
    if (held) this.#items[0]?.firstElementChild.focus({ preventScroll: true });
    this.#keepTabStop();
  }

  /** Loads what is about to be scrolled to. */
  async #fill() {
    this.#passed = this.#loading !== null;
    if (this.#passed) return;
    const { scrollLeft, scrollWidth, clientWidth } = this.#strip;
    const near = 2 * clientWidth;
    const older = this.#times[0] > this.#user?.oldest && scrollLeft < near;
    const newer = this.#times.at(-1) < this.#user?.newest && scrollWidth - scrollLeft - clientWidth < near;
    if ((older && (await this.#extend('before'))) || (newer && (await this.#extend('after')))) await this.#fill();
  }

  #item(taken) {
    const image = make('img', {
      alt: `Snapshot of user ${this.#user.uid}`,
      width: 160,
      height: 90,
      loading: 'lazy',
      decoding: 'async',
    });
    image.addEventListener('error', () => {
      this.#failed.add(image);
      image.classList.add('broken');
    });
    image.addEventListener('load', () => image.classList.remove('broken'));
    image.src = source(this.#user.uid, taken);
    const time = make('time', { dateTime: new Date(taken).toISOString() }, timeOfDay(taken));
    return make('li', {}, make('button', { type: 'button', className: 'thumb', tabIndex: -1 }, image, time));
  }

  /** Says at these elements how long there was nothing before them, and where a day begins. */
  #mark(from, to) {
    for (let at = Math.max(from, 0); at < Math.min(to, this.#items.length); at += 1) {
      const item = this.#items[at];
      item.querySelector('.gap')?.remove();
      if (at === 0) continue;
      const [taken, before] = [this.#times[at], this.#times[at - 1]];
      const gap = taken - before > GAP * 1000 * this.#interval ? `${span(taken - before)} later` : '';
      const words = [otherDay(taken, before), gap].filter(Boolean).join(', ');
      if (words) item.append(make('span', { className: 'gap' }, words));
    }
  }

  #choose(taken, { focus = false, follow = false } = {}) {
    this.#chosen = taken;
    this.#following = follow || taken >= this.#user.newest;
    for (const [at, item] of this.#items.entries()) {
      const button = item.firstElementChild;
      const is = this.#times[at] === taken;
      button.tabIndex = is ? 0 : -1;
      if (is) button.setAttribute('aria-current', 'true');
      else button.removeAttribute('aria-current');
      if (is && focus) button.focus({ preventScroll: true });
    }
    this.#keepTabStop();
    const address = source(this.#user.uid, taken);
    const time = new Date(taken);
    if (this.#large.getAttribute('src') !== address) this.#large.src = address;
    this.#large.alt = `Snapshot of user ${this.#user.uid}, ${whole(taken)}`;
    id('taken').dateTime = time.toISOString();
    say(id('taken'), whole(taken));
    id('taken-age').dataset.age = taken;
    id('save').href = address;
    id('save').download = `user-${this.#user.uid}-${time.toISOString().replace(/[:.]/g, '')}.jpg`;
    this.#tellBounds();
    this.#section.dispatchEvent(new Event('chosen', { bubbles: true }));
  }

  /** Tab leads to the chosen one, or to the first where the chosen one is out of the window. */
  #keepTabStop() {
    if (this.#items.length && !this.#times.includes(this.#chosen)) this.#items[0].firstElementChild.tabIndex = 0;
  }

  /** What depends on where the time line begins and ends. */
  #tellBounds() {
    const { oldest, newest } = this.#user;
    [this.#jump.min, this.#jump.max] = [oldest, newest];
    if (!this.#seeking) {
      this.#jump.value = this.#chosen ?? newest;
      this.#tellJump(this.#chosen ?? newest);
    }
    for (const [name, over] of [['oldest', 'earlier'], ['later', 'latest']].flatMap((names, late) =>
      names.map((name) => [name, late ? this.#chosen >= newest : this.#chosen <= oldest]))) {
      id(name).setAttribute('aria-disabled', String(over));
    }
  }

  #tellJump(time) {
    say(id('jump-time'), whole(time));
    this.#jump.setAttribute('aria-valuetext', whole(time));
  }

  /** A key that comes while another one still loads something waits for it. */
  #inTurn(act) {
    this.#turn = this.#turn.then(act);
  }

  async #step(by, options = {}) {
    if (this.#opening) await this.#loading;
    if (this.#chosen === null) return;
    if (!this.#times.includes(this.#chosen)) await this.#goTo(this.#chosen);
    const [side, end] = by < 0 ? ['before', this.#chosen <= this.#user.oldest] : ['after', this.#chosen >= this.#user.newest];
    if (end) return;
    let at = this.#times.indexOf(this.#chosen) + by;
    while (at < 0 || at >= this.#times.length) {
      if (this.#loading) await this.#loading;
      else if (!(await this.#extend(side))) break;
      at = this.#times.indexOf(this.#chosen) + by;
    }
    at = Math.min(Math.max(at, 0), this.#times.length - 1);
    this.#choose(this.#times[at], options);
    this.#reveal(this.#items[at], 'nearest');
    await this.#fill();
  }

  #key(event) {
    if (event.target === this.#jump || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const focus = this.#strip.contains(event.target);
    const does = {
      ArrowLeft: () => this.#step(-1, { focus }),
      ArrowRight: () => this.#step(1, { focus }),
      PageUp: () => this.#step(-10, { focus }),
      PageDown: () => this.#step(10, { focus }),
      Home: () => this.#end('oldest', { focus }),
      End: () => this.#end('newest', { focus }),
    }[event.key];
    if (!does) return;
    event.preventDefault();
    this.#inTurn(does);
  }

  /** Scrolls the strip alone, never the page. */
  #reveal(item, place) {
    if (!item) return;
    const strip = this.#strip;
    const [left, right] = [item.offsetLeft - strip.offsetLeft, item.offsetLeft - strip.offsetLeft + item.offsetWidth];
    let to = left - (strip.clientWidth - item.offsetWidth) / 2;
    if (place === 'end') to = strip.scrollWidth;
    if (place === 'nearest') {
      const margin = item.offsetWidth;
      to = Math.min(Math.max(strip.scrollLeft, right + margin - strip.clientWidth), left - margin);
    }
    const smooth = place !== 'center' && !still.matches;
    strip.scrollTo({ left: to, behavior: smooth ? 'smooth' : 'auto' });
  }

  #missing(is) {
    this.#large.classList.toggle('broken', is);
    id('missing').hidden = !is;
    say(id('missing'), is ? 'This snapshot cannot be read: it is no longer in the bucket, or the bucket does not answer.' : '');
  }
}
