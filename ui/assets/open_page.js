// Opens an address in a tab of its own, once for each token: browsers let a page do so just after a press.
export default ({ data }) => {
  if (window.mailcoreOpened === data.token) return;
  window.mailcoreOpened = data.token;
  window.open(data.address, "_blank", "noopener");
};
