// Before the first paint, so that a dark page never flashes white. A file of its own because the policy forbids inline scripts.
try {
  const chosen = localStorage.getItem('nexus.theme')
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen
} catch {
  // No storage: the system's theme it is.
}
