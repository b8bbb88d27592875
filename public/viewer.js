const $ = (id) => document.getElementById(id)
const all = (css) => [...document.querySelectorAll(css)]
const on = (name, run) => addEventListener(name, run, 1)
const now = Date.now
const skew = $('page').dataset.now - now()
let [held, kept, came, told, wait, tick, seen, link] = ['', 0, 0, 0]

const away = () => scrollY > $('list').offsetTop || !$('newer').hidden || all('#rows>li>[open]')[0]

const say = (text) => {
	$('status').innerText = text
	told = now()
	came = 0
}
const tell = (text) => {
	clearTimeout(wait)
	wait = setTimeout(say, told + 5e3 - now(), text)
}
const show = (text, s) => {
	if (!all('.on')[0]) return
	seen = now()
	clearTimeout(tick)
	$('live-state').innerText = s ? `${text} in ${s} s` : text
	if (s) tick = setTimeout(show, 1e3, text, s - 1)
	tell(text)
}

const flow = () => show(kept ? 'Paused' : 'Live')
const hold = (n = 0, text = '') => {
	kept = n
	held = n > 500 ? '' : text
	$('pill').value = n
	if ($('live-state')?.textContent === (n ? 'Live' : 'Paused')) flow()
}
const draw = () => {
	if (!held || !$('newer').hidden) return $('newer').click()
	htmx.swap({ sourceElement: $('page'), target: '#rows', swap: 'afterbegin', text: held })
	hold()
	scrollTo(0, 0)
}
const free = () => kept && (away() || draw())

on('htmx:sse:before:message', (e) => {
	const { event, data, id } = e.detail.message
	const n = +data.match(/\d+/)
	seen = now()
	$('after').value = id
	if (event || !n) return
	came += n
	if (kept || away()) {
		e.preventDefault()
		hold(kept + n, data + held)
		free()
	}
	tell(`New events: ${came}`)
})
on('htmx:sse:before:connection', (e) => {
	link = e.detail.connection
	if (link.attempt) show('Reconnecting', Math.min(16, 2 ** link.attempt / 2))
})
on('htmx:sse:after:connection', flow)
on('visibilitychange', () => document.hidden && show('Paused'))
on('htmx:error', ({ target: { id } }) => {
	if (id === 'live') show('Reconnecting', 5)
	else if (id !== 'recount') $('problem').innerText = 'No connection. Try again.'
})
on('htmx:after:swap', (e) => {
	const { id } = e.detail.ctx.target
	if (/log|page/.test(id)) hold()
	id !== 'log' || all(':focus')[0] || $('list').focus()
	for (const li of all('#rows>[id]')) $(li.id) === li || li.remove()
	const rows = all('#rows>*')
	const more = id === 'more'
	const extra = more ? rows.slice(0, -1e3) : rows.slice(1e3)
	for (const li of extra) li.remove()
	if (!extra[0]) return
	if (more) $('newer').hidden = 0
	else $('more').href = $('newer').dataset.before + rows[999].id
})
on('toggle', ({ target }) => {
	const body = target.lastChild
	const { href } = target.matches('#rows>li>details') && body.firstChild
	if (!target.open) free()
	else if (href) htmx.ajax('GET', href, { source: '#list', target: body })
})
on('pageshow', (e) => e.persisted && location.reload())
on('scroll', free)
on('click', ({ target }) => {
	if (target.id === 'pill') draw($('list').focus())
	if (target.id === 'local') target.value ||= Intl.DateTimeFormat().resolvedOptions().timeZone
	if (target.matches('.copy')) {
		const pre = $(target.value)
		pre.parentNode.open = 1
		getSelection().selectAllChildren(pre)
		target.innerText = document.execCommand('copy') ? 'Copied' : 'Copy the selection'
	}
})
on('keydown', (e) => {
	if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest('input')) return
	const li = e.target.closest('#rows>li')
	const row = { j: li ? li.nextSibling : $('rows')?.firstChild, k: li?.previousSibling }[e.key]
	const to = row?.querySelector('summary,a') ?? all(`[aria-keyshortcuts="${CSS.escape(e.key)}"]`)[0]
	if (to) e.preventDefault()
	to?.[row ? 'focus' : 'click']()
})

setInterval(() => {
	for (const time of all('[data-at]')) {
		const s = (now() + skew - new Date(time.dateTime)) / 1e3
		const [n, unit] = s < 60 ? [1, 's'] : s < 3600 ? [60, 'min'] : [3600, 'h']
		if (s > 5) time.innerText = `${~~(s / n)} ${unit} ago`
		if (s < 86400) continue
		const at = time.title
		time.innerText = at.startsWith(new Date().getFullYear()) ? at.slice(5, 16) : at.slice(0, 10)
		delete time.dataset.at
	}
	if (now() - seen > $('live')?.dataset.quiet) link?.reader?.cancel()
}, 5e3)
