// The chat in a portal's page, without any library: docs/embedding.md explains it step by step.
'use strict'

const parley = document.body.dataset.parley
const element = (id) => document.getElementById(id)
const say = (text) => { element('state').textContent = text }

// 1. The token. The portal's back end mints it for whoever has signed in there; the page asks for the next one in time.
let token = null

async function currentToken() {
  if (token === null || token.expiresAt * 1000 - Date.now() < 60_000) {
    const answer = await fetch('/token', { method: 'POST' })
    if (answer.status === 401) location.reload() // the portal's own sign-in has ended
    if (!answer.ok) throw new Error('no token')
    token = await answer.json()
  }
  return token.token
}

// 2. Queries and mutations. A 401 is a token that is over before its time: one more try, with the next one.
async function ask(query, variables = {}, again = true) {
  const answer = await fetch(`${parley}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/graphql-response+json',
      authorization: `Bearer ${await currentToken()}`,
    },
    body: JSON.stringify({ query, variables }),
  })
  if (answer.status === 401 && again) {
    token = null
    return ask(query, variables, false)
  }
  const told = await answer.json()
  if (told.errors) throw new Error(told.errors[0].message)
  return told.data
}

// 3. What is there, and where "now" is: the stream goes on exactly behind it.
const ROOMS = '{ viewer { eventCursor } rooms(first: 50) { nodes { id name unreadCount } } }'
const MESSAGES = `query ($room: ID!) {
  room(id: $room) { id name messages(last: 50) { nodes { id sequence body author { name } } } }
}`
let cursor = null
let open = null
const shown = new Map() // the messages of the open room, by sequence

async function loadRooms() {
  const data = await ask(ROOMS)
  cursor ??= data.viewer.eventCursor
  element('rooms').replaceChildren(...data.rooms.nodes.map((room) => {
    const button = document.createElement('button')
    button.textContent = room.unreadCount ? `${room.name} (${room.unreadCount})` : room.name
    button.setAttribute('aria-current', String(room.id === open))
    button.addEventListener('click', () => openRoom(room.id).catch(failed))
    const item = document.createElement('li')
    item.append(button)
    return item
  }))
}

async function openRoom(id) {
  const { room } = await ask(MESSAGES, { room: id })
  if (room === null) return
  open = id
  shown.clear()
  element('messages').replaceChildren()
  element('room').textContent = room.name
  element('send').hidden = false
  for (const message of room.messages.nodes) show(message)
  await markRead(room.messages.nodes.at(-1))
  await loadRooms()
}

// What is on the screen is read. The message is named, so that a late retry does no harm.
async function markRead(message) {
  if (!message || document.hidden) return
  await ask(
    'mutation ($input: MarkRoomReadInput!) { markRoomRead(input: $input) { userErrors { message } } }',
    { input: { roomId: open, upToMessageId: message.id } },
  )
}

// 4. A message comes twice now and then, by an answer and by the stream: it has its number.
function show(message) {
  let item = shown.get(message.sequence)
  if (!item) {
    item = document.createElement('li')
    shown.set(message.sequence, item)
    const later = [...shown.keys()].filter((sequence) => sequence > message.sequence)
    element('messages').insertBefore(item, later.length ? shown.get(Math.min(...later)) : null)
  }
  const author = document.createElement('b')
  author.textContent = message.author.name
  item.replaceChildren(author, message.body ?? 'This message was deleted.') // as text, never as HTML
  item.scrollIntoView({ block: 'nearest' })
}

// 5. Live, by graphql-transport-ws. A socket that closes is opened again, behind the last event that was seen: after
// 4403 with the next token, since the token has ended and its streams with it.
const EVENTS = `subscription ($after: String) {
  viewerEvents(after: $after) {
    cursor
    ... on MessageAdded { room { id } message { id sequence body author { name } } }
    ... on MessageUpdated { room { id } message { id sequence body author { name } } }
  }
}`
let attempt = 0
let refused = 0

async function follow() {
  let socket
  try {
    const authorization = `Bearer ${await currentToken()}`
    socket = new WebSocket(`${parley.replace(/^http/, 'ws')}/graphql`, 'graphql-transport-ws')
    socket.onopen = () => socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization } }))
  } catch {
    return later()
  }
  socket.onmessage = ({ data }) => hear(socket, JSON.parse(data))
  socket.onclose = ({ code }) => {
    if (code === 4403) {
      token = null
      refused += 1
    }
    later()
  }
}

function hear(socket, message) {
  if (message.type === 'connection_ack') {
    attempt = refused = 0
    say('Connected.')
    socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query: EVENTS, variables: { after: cursor } } }))
  } else if (message.type === 'ping') {
    socket.send(JSON.stringify({ type: 'pong' }))
  } else if (message.type === 'next' && message.payload.data) {
    const event = message.payload.data.viewerEvents
    cursor = event.cursor
    const here = event.message && event.room.id === open
    if (here) show(event.message)
    Promise.resolve(here && markRead(event.message)).then(loadRooms).catch(failed)
  } else if (message.type === 'error' || message.type === 'next') {
    // The cursor is too old, or the like: begin anew from what is there.
    cursor = null
    if (socket.readyState === WebSocket.OPEN) socket.close(1000)
  }
}

function later() {
  // Once is a token that has ended. With a new one it is the account: deactivated, perhaps.
  say(refused > 1 ? 'You are not let in at the moment. Trying again …' : 'Connecting …')
  attempt += 1
  const seconds = Math.min(30, 2 ** Math.min(attempt, 5) / 2) * (0.5 + Math.random() / 2)
  setTimeout(() => (cursor === null ? start() : follow()), seconds * 1000)
}

// 6. Sending. The key makes a second try harmless: one message, however often it is sent.
element('send').addEventListener('submit', async (event) => {
  event.preventDefault()
  const body = element('body').value
  if (open === null || !body.trim()) return
  try {
    const { sendMessage } = await ask(
      `mutation ($input: SendMessageInput!) {
        sendMessage(input: $input) { message { sequence body author { name } } userErrors { message } }
      }`,
      { input: { roomId: open, body, idempotencyKey: crypto.randomUUID() } },
    )
    if (sendMessage.userErrors.length) return say(sendMessage.userErrors[0].message)
    element('body').value = ''
    show(sendMessage.message)
  } catch (error) {
    failed(error)
  }
})

// 7. Signing out: the token first, so that it is worth nothing to whoever has a copy; then the portal's own sign-in.
element('leave').addEventListener('submit', async (event) => {
  event.preventDefault()
  const form = event.target
  try {
    await ask('mutation { signOut { userErrors { message } } }', {}, false)
  } finally {
    form.submit()
  }
})

function failed(error) {
  say(`Something went wrong: ${error.message}`)
}

async function start() {
  try {
    await loadRooms()
    if (open !== null) await openRoom(open)
    follow()
  } catch {
    later()
  }
}

start()
