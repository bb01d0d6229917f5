// What the page is told by the server that serves it (server/explorer/page.py). Nothing of it is secret.
const told = document.getElementById("config")?.textContent;

/** @type {{introspection: boolean, people: {name: string, email: string, password: string, about: string}[], mailPage: string | null}} */
export const config = { introspection: true, people: [], mailPage: null, ...(told ? JSON.parse(told) : {}) };

// Beside the page, wherever a proxy has put it.
export const endpoint = new URL("graphql", document.baseURI);
