// Before Streamlit's own scripts: where the program answers, and who else may talk to this page, so that the
// connection is opened at once. Streamlit would ask for both first, and open it when they are answered.
// oxlint-disable-next-line no-underscore-dangle -- Streamlit's name for it
window.__streamlit = {
  BACKEND_BASE_URL: new URL(".", location.href).href, // as the browser finds ./static/
  // No page of another site. An empty list counts as none given, and each entry costs a look at every message.
  HOST_CONFIG: { allowedOrigins: ["none"], useExternalAuthToken: false },
};
