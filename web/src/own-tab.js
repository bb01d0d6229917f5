// A copy of a tab has a copy of its sign-in. Longer than a page that is being reloaded takes to let go of its lock.
const PATIENCE = 2_000;

/**
 * Keeps a sign-in to one tab: whichever comes second forgets it, before the two spend the same refresh token. Locks are
 * there on HTTPS and on this machine; elsewhere a copied tab ends up signed out at its next renewal.
 */
export async function keepToOneTab(signIn) {
  if (!navigator.locks) return;
  let release = await held(signIn.shown.id);
  if (signIn.shown.id && !release) {
    signIn.forget("This sign-in belongs to another tab. Sign in here as well.");
  }
  signIn.subscribe(async () => {
    release?.();
    release = await held(signIn.shown.id);
  });
}

/** Gives what lets go of the lock, or null where another tab has it. */
function held(id) {
  if (!id) return Promise.resolve(null);
  return new Promise((resolve) => {
    const until = () => new Promise(resolve);
    navigator.locks
      .request(`parley:sign-in:${id}`, { signal: AbortSignal.timeout(PATIENCE) }, until)
      .catch(() => resolve(null));
  });
}
