// Posts the second argument to the first twice with Node's fetch as it comes, and prints both answers.
const [url, body] = process.argv.slice(2);
for (let time = 0; time < 2; time++) {
  const answer = await fetch(url, { method: "POST", body });
  console.log(await answer.text());
}
