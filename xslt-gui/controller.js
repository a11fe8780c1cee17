/* What script adds to pages that work without it: pages that show news by themselves, a log that
 * is followed, keys, and times of the browser's zone. */
'use strict';
(function () {
  const body = document.body;
  const banner = document.getElementById('banner');

  function say(text) {
    if (text) {
      banner.textContent = text;
      banner.hidden = false;
    } else {
      banner.hidden = true;
    }
  }

  /* ---- times ---- */
  function localTimes(root) {
    if (document.documentElement.dataset.zone !== 'browser') return;
    const two = (n) => String(n).padStart(2, '0');
    const day = (d) => d.getFullYear() + '-' + two(d.getMonth() + 1) + '-' + two(d.getDate());
    const name = (d) => {
      const part = new Intl.DateTimeFormat('en', {timeZoneName: 'short'}).formatToParts(d)
        .find((p) => p.type === 'timeZoneName');
      return part ? part.value : '';
    };
    const today = day(new Date());
    root.querySelectorAll('time').forEach((element) => {
      const date = new Date(element.dateTime);
      if (isNaN(date)) return;
      const full = element.classList.contains('full');
      const clock = two(date.getHours()) + ':' + two(date.getMinutes()) + ':' + two(date.getSeconds());
      element.textContent = (full || day(date) !== today ? day(date) + ' ' : '') + clock +
        (full ? ' ' + name(date) : '');
    });
    root.querySelectorAll('th .zone').forEach((element) => {
      element.textContent = name(new Date());
    });
  }

  /* ---- rows and keys ---- */
  let at = -1;
  const rows = () => Array.from(document.querySelectorAll('main table.rows tbody tr'));

  function move(step) {
    const all = rows();
    if (!all.length) return;
    all.forEach((row) => row.classList.remove('at'));
    at = Math.max(0, Math.min(all.length - 1, at + step));
    all[at].classList.add('at');
    const target = all[at].querySelector('a, input');
    if (target) target.focus({preventScroll: true});
    all[at].scrollIntoView({block: 'nearest'});
  }

  const places = {o: 'orders', p: 'plan', v: 'overview', c: 'chains', h: 'history', a: 'clusters', r: 'releases', e: 'events'};
  let going = 0;
  document.addEventListener('keydown', (event) => {
    const target = event.target;
    const writing = target.isContentEditable || /^(SELECT|TEXTAREA)$/.test(target.tagName) ||
      (target.tagName === 'INPUT' && !/^(checkbox|radio|button|submit)$/.test(target.type));
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (writing) {
      if (event.key === 'Escape') target.blur();
      return;
    }
    if (going && Date.now() - going < 1500 && places[event.key]) {
      going = 0;
      location.href = '/controller/' + places[event.key];
      return;
    }
    going = 0;
    const search = document.querySelector('#search');
    switch (event.key) {
    case '/': if (search) { event.preventDefault(); search.focus(); search.select(); } break;
    case 'g': going = Date.now(); break;
    case 'j': move(1); break;
    case 'k': move(-1); break;
    case 'x': {
      const row = rows()[at];
      const box = row && row.querySelector('input[type=checkbox]');
      if (box) box.checked = !box.checked;
      break;
    }
    case '?': location.href = '/controller/help'; break;
    }
  });

  /* ---- pages that show news ---- */
  function describe(element) { /* finds the same element in a new <main> */
    if (!element || !element.closest('main')) return null;
    if (element.id) return '#' + CSS.escape(element.id);
    if (element.getAttribute('href')) return 'a[href="' + CSS.escape(element.getAttribute('href')) + '"]';
    if (element.type === 'checkbox') return 'input[value="' + CSS.escape(element.value) + '"]';
    return null;
  }

  async function show() {
    const active = document.activeElement;
    const main = document.getElementById('main');
    /* somebody who is writing or choosing is not disturbed, and nothing that was entered is lost */
    if (active && main.contains(active) && /^(INPUT|SELECT|TEXTAREA)$/.test(active.tagName) &&
        active.type !== 'checkbox') return false;
    if (Array.from(main.querySelectorAll('input:not([type=checkbox]):not([type=hidden])'))
      .some((input) => input.value !== input.defaultValue)) return false;
    const answer = await fetch(location.href, {headers: {Accept: 'text/html'}, cache: 'no-store'});
    if (answer.redirected && new URL(answer.url).pathname === '/controller/sign-in') {
      location.reload();
      return true;
    }
    if (answer.status >= 500) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const fresh = page.getElementById('main');
    if (!fresh) return true;
    const focus = describe(active);
    const scrolled = Array.from(main.querySelectorAll('.scroll')).map((e) => e.scrollLeft);
    const checked = new Set(Array.from(main.querySelectorAll('input[type=checkbox]:checked')).map((e) => e.value));
    const open = Array.from(main.querySelectorAll('details')).map((e) => e.open);
    main.replaceChildren(...fresh.childNodes);
    document.title = page.title;
    main.querySelectorAll('.scroll').forEach((e, i) => { e.scrollLeft = scrolled[i] || 0; });
    main.querySelectorAll('input[type=checkbox]').forEach((e) => { e.checked = checked.has(e.value); });
    main.querySelectorAll('details').forEach((e, i) => { if (i in open) e.open = open[i]; });
    if (at >= 0 && rows()[at]) rows()[at].classList.add('at');
    if (focus) {
      const again = main.querySelector(focus);
      if (again) again.focus({preventScroll: true});
    }
    localTimes(main);
    live(true);
    return true;
  }

  function live(on) {
    const dot = document.querySelector('main .live');
    if (dot) {
      dot.hidden = !on;
      dot.title = 'This page shows news by itself';
    }
  }

  const pause = (ms) => new Promise((done) => setTimeout(done, ms));

  async function watch() {
    let position = Number(body.dataset.position) || 0;
    let wait = 1000;
    let pending = false;
    live(true);
    for (;;) {
      try {
        const answer = await fetch('/controller/changes?after=' + position, {cache: 'no-store'});
        if (answer.status === 401) {
          location.reload();
          return;
        }
        if (!answer.ok) throw new Error(String(answer.status));
        const news = (await answer.json()).position;
        if (news > position || pending) {
          position = Math.max(news, position);
          pending = !(await show());
        }
        say('');
        wait = 1000;
        await pause(pending ? 2000 : 700);
      } catch (error) {
        live(false);
        say('The connection to the Supervisor is lost; what you see is old. Trying again…');
        await pause(wait);
        wait = Math.min(wait * 2, 15000);
      }
    }
  }

  /* ---- logs ---- */
  async function follow(log) {
    let wait = 1000;
    log.scrollTop = log.scrollHeight;
    for (;;) {
      await pause(wait);
      const address = '/controller/log?task=' + encodeURIComponent(log.dataset.task) +
        '&offset=' + log.dataset.next + '&line=' + log.dataset.line;
      try {
        const answer = await fetch(address, {cache: 'no-store'});
        if (!answer.ok) throw new Error(String(answer.status));
        const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
        const more = page.getElementById('log');
        if (!more) { location.reload(); return; }
        const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
        const lines = Array.from(more.children);
        if (lines.length) {
          const empty = document.getElementById('log-empty');
          if (empty) empty.remove();
          log.append(...lines);
          while (log.children.length > 20000) log.firstElementChild.remove();
          if (atEnd) log.scrollTop = log.scrollHeight;
        }
        const state = page.getElementById('log-state');
        if (state) {
          state.querySelectorAll('.window').forEach((e) => e.remove()); /* of the piece, not of all */
          document.getElementById('log-state').replaceChildren(...state.childNodes);
        }
        log.dataset.next = more.dataset.next;
        log.dataset.line = more.dataset.line;
        say('');
        if (!more.dataset.follow && more.dataset.complete === 'true') { delete log.dataset.follow; live(false); return; }
        wait = lines.length ? 500 : Math.min(wait * 1.3, 3000);
      } catch (error) {
        say('The connection to the Supervisor is lost; the log goes on once it is back.');
        wait = Math.min(wait * 2, 15000);
      }
    }
  }

  localTimes(document);
  const log = document.getElementById('log');
  if (log && log.dataset.follow) { live(true); follow(log); }
  else if (body.dataset.live) watch();
})();
