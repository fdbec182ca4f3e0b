// The API's host is this site's, with "api." for "www."; the gateway serves both on one port.
const api = location.origin.replace("//www.", "//api.");
const hours = document.getElementById("hours");
fetch(`${api}/v1/shop/hours`)
  .then((answer) => answer.json())
  .then((said) => { hours.textContent = JSON.stringify(said); })
  .catch((error) => { hours.textContent = `not available (${error.message})`; });
